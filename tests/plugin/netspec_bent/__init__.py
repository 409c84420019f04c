"""A plug-in of netspec, as a package of its own."""
