"""Whether a session's record is true: all of it run again and compared, byte by byte."""
