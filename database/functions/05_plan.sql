-- A plan runs what a sync runs, in a transaction that is always rolled back (src/sync/plan).

-- Whether this transaction is that of a plan. It stays open over many statements, so it takes no lock that folds wait for.
CREATE OR REPLACE FUNCTION bridge_is_plan() RETURNS boolean LANGUAGE sql STABLE AS $is_plan$
  SELECT coalesce(current_setting('bridge.plan', true), '') = 'on'
$is_plan$;
