"""The keys of the template language as tables: by what they are part of."""
