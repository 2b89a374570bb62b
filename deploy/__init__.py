"""How the platform is put into the world: the local launcher, and the web server's configuration."""
