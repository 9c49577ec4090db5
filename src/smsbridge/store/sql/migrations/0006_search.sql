-- A search in one contact's transcript reads this index from end to end, and of the rows only those it finds. PostgreSQL
-- takes no long texts into an index of this kind: there the rows are read.

--sqlite DROP INDEX transcript_of_contact;
--sqlite CREATE INDEX transcript_of_contact ON transcript (contact_id, seq, search_text);
