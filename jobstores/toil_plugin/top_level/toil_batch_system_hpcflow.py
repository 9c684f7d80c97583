"""Found by Toil, by this name, when it looks for plug-ins: makes our job stores known.

The wheel puts this module at its top level; see `jobstores.toil_plugin`.
"""

from jobstores.toil_plugin.install import install

install()
