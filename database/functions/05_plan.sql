-- A plan runs what a sync runs, in a transaction that is always rolled back (src/sync/plan).

-- Whether this transaction is a plan's. It stays open over many statements, so it must not keep folds out meanwhile.
CREATE OR REPLACE FUNCTION bridge_is_plan() RETURNS boolean LANGUAGE sql STABLE AS $is_plan$
  SELECT coalesce(current_setting('bridge.plan', true), '') = 'on'
$is_plan$;
