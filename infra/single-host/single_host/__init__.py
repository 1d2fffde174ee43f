"""A fleet on one machine: units of its service manager, lines of its front, runs that end."""
