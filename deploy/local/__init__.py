"""Everything on one machine with nothing but Python: bin/up, bin/down and bin/test. Imports no Django."""
