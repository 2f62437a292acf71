-- Which generation of an SLO's ledger keys is the present one. It grows when the indicator changes and the source has
-- history to fill a new one; older generations stay, and are read by nobody.
alter table slo add column generation bigint not null default 1;
