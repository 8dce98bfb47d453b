"""When the next row of a batch may be sent: by slots, by pace, and by pauses. Pure: the time is always an argument."""
