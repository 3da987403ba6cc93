"""The HTTP server, its routes and the status page."""
