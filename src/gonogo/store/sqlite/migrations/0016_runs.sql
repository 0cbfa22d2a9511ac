-- A run is asked about call by call: its entries, by its reservation.
CREATE INDEX ledger_entry_by_reservation ON ledger_entry (reservation, seq);
