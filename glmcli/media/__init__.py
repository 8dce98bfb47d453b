"""The format of a picture, video or document by its bytes: media type, size, whether it is whole.

Pure, and in linear time: the worst that hostile bytes can cause is a fault in the result.
"""
