"""Pages and pictures of the documentation that are made from the library itself.

``python -m scripts.documentation`` writes the catalogue of neurons and the pictures anew, as
``make pages`` does. The API reference is made by `hook` when MkDocs builds the site.
"""
