-- With a backlog, every turn of the publisher looks for holds that may jump it: they are few, and the
-- rows between them are many.
CREATE INDEX journal_holds ON journal (seq) WHERE kind = 'deactivate';
