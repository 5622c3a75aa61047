"""Small writers of public formats, each made from the format's own documentation, not from the code that reads it."""
