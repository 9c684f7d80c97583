"""From a template's text to a checked and expanded workflow; `load` is the way in.

Pure but for `load`: files, seeds and the interpreter's path come in as arguments.
"""
