-- Keys under which events were pushed: what comes again under one of them counts once. They are kept for a week.
create table push_key (
    key blob not null primary key,      -- the beginning of a SHA-256: keys may be long
    content integer not null,           -- a digest of what was pushed: under one key always the same
    at integer not null                 -- when it was counted
) strict, without rowid;

create index push_key_at on push_key (at);
