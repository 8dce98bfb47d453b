"""What bytes are, by what they say themselves: the kind of picture, document or video, its size, whether it is whole.

Pure, and in linear time: hostile bytes give at worst a fault in words.
"""
