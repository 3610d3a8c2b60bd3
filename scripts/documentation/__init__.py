"""Pages and pictures of the documentation that are made from the library itself.

``python -m scripts.documentation`` writes the catalogue of neurons and the pictures anew, as
``make pages`` does. mkdocstrings renders the API pages, with the extension in `_docstring`.
"""
