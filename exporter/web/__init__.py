"""The HTTP side: routes, pages, the server."""
