"""Reports for people: HTML and PDF, figures and texts, in English and Chinese.

Owns layout and wording. Must not compute a measured figure (that is `analysis`) nor leave out the provenance mark.
It exists apart so that a page can change without a figure changing.
"""
