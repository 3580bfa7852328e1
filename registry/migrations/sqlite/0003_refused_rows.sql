-- Journal rows that the gate refused are few, and are looked for again and again.
CREATE INDEX journal_refused ON journal (seq) WHERE quarantined IS NOT NULL;
