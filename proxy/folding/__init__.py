"""Data for ``proxy.text``: two tables of one character a line, as hexadecimal code points.

``confusables.tsv``: non-ASCII letter (casefolded) and the ASCII letters or digits it is taken for, from
the Unicode security mechanisms (UTS #39). A letter whose capital alone looks like an ASCII letter
is listed too, so that asking for capitals changes nothing.
``simplified.tsv``: traditional Chinese character and its simplified form, from OpenCC.
Sources and licences are in the file NOTICE.
"""
