-- What our role still lacks, as statements for the DBA: no row, nothing lacks. Run it as our role. Rights to read and change
-- are asked for column by column: what this list does not name cannot be read by our role.
WITH wants (name, privilege, columns) AS (VALUES
  ('Booking', 'SELECT', 'id uid idempotencyKey userId eventTypeId title description startTime endTime status cancellationReason rescheduled fromReschedule iCalSequence'),
  ('Booking', 'UPDATE', 'idempotencyKey userId eventTypeId title description startTime endTime status cancellationReason iCalSequence updatedAt'),
  ('Booking', 'INSERT', NULL),
  ('Booking', 'TRIGGER', NULL),
  ('Attendee', 'SELECT', 'id name email bookingId'),
  ('Attendee', 'INSERT', NULL),
  ('Attendee', 'TRIGGER', NULL),
  ('EventType', 'SELECT', 'id slug position hidden userId requiresConfirmation requiresConfirmationWillBlockSlot hideCalendarNotes '
    'hideCalendarEventDetails beforeEventBuffer afterEventBuffer seatsPerTimeSlot'),
  ('EventType', 'TRIGGER', NULL),
  ('users', 'SELECT', 'id name username email locked')
), tables AS (
  SELECT w.*, to_regclass(format('public.%I', w.name)) AS id,
    w.privilege || coalesce(' (' || (SELECT string_agg(quote_ident(c), ', ' ORDER BY place)
                                     FROM unnest(string_to_array(w.columns, ' ')) WITH ORDINALITY AS u (c, place)) || ')', '') AS grants FROM wants w
), lacking AS (
  SELECT t.* FROM tables t
  WHERE t.id IS NULL OR CASE
    WHEN t.columns IS NOT NULL THEN EXISTS (
      SELECT FROM pg_attribute a WHERE a.attrelid = t.id AND a.attname = ANY (string_to_array(t.columns, ' '))
        AND NOT has_column_privilege(t.id, a.attnum, t.privilege))
    -- needed to make the triggers, and no more once they are there
    WHEN t.privilege = 'TRIGGER' THEN NOT has_table_privilege(t.id, 'TRIGGER') AND NOT EXISTS (
      SELECT FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
      WHERE g.tgrelid = t.id AND NOT g.tgisinternal AND p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'bridge\_%')
    ELSE NOT has_table_privilege(t.id, t.privilege) END
)
SELECT CASE WHEN l.id IS NULL THEN NULL
            ELSE format('GRANT %s ON %s TO %I;', string_agg(l.grants, ', ' ORDER BY l.grants), l.id, current_user) END AS repair,
       true AS needed,
       CASE WHEN l.id IS NULL THEN format('There is no table %I: is this the database of Cal.com?', l.name) END AS why
FROM lacking l GROUP BY l.id, l.name
UNION ALL
SELECT format('GRANT USAGE ON SEQUENCE %s TO %I;', s, current_user), true, NULL
FROM (SELECT pg_get_serial_sequence(format('public.%I', t.name), 'id') AS s FROM tables t WHERE t.id IS NOT NULL AND t.privilege = 'INSERT') q
WHERE NOT has_sequence_privilege(s, 'USAGE');
