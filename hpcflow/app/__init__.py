"""The composition root: ports, adapters and configuration meet here."""
