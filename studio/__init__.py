"""The application around the core: the command line and the browser studio."""
