"""What the server decides, as functions of stored rows, settings and the time."""
