-- Keys under which events were pushed: what comes again under one of them counts once. They are kept for a week.
create table push_key (
    key bytea primary key,              -- the beginning of a SHA-256: keys may be long
    content bigint not null,            -- a digest of what was pushed: under one key always the same
    at bigint not null                  -- when it was counted
);

create index push_key_at on push_key (at);
