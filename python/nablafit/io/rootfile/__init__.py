"""ROOT files without ROOT: the file layer, the object stream and histograms, all as data.

A class is decoded as the file describes it or, where it is one of the histograms of today, as it is
described here. No code is generated from a file, and nothing that one file says is used for
another.
"""
