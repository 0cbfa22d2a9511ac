-- In which run of the machine open holds were dated last, and by which setting of its wall clock (that less the
-- running one): where it was set since, they are dated anew (store/books/hold_clock.py).
CREATE TABLE dated_by (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  boot TEXT NOT NULL,
  set_ms INTEGER NOT NULL
) STRICT;
