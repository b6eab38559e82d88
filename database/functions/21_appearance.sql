-- How Outlook shows an item: the settings of its room, or those of the environment.

-- The settings in which a room differs from the environment.
CREATE OR REPLACE FUNCTION bridge_own_settings(r bridge_resource_mappings) RETURNS jsonb LANGUAGE sql STABLE AS $own$
  SELECT jsonb_strip_nulls(jsonb_build_object('conflict_policy', r.conflict_policy, 'overlap_policy', r.overlap_policy,
    'import_mode', r.import_mode, 'privacy', r.privacy, 'title_template', r.title_template))
$own$;

-- Whether the adapter's view has one of these optional columns (sql/README.md).
CREATE OR REPLACE FUNCTION bridge_view_has(columns name[]) RETURNS boolean LANGUAGE sql STABLE AS $has$
  SELECT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass('public.bridge_items') AND a.attname = ANY (columns) AND NOT a.attisdropped)
$has$;

-- The settings by which a room shows its items; NULL: it shows them unchanged. `bridge_settings` stores those of the environment, see
-- bridge_appearance_changed.
CREATE OR REPLACE FUNCTION bridge_style(room integer) RETURNS jsonb LANGUAGE plpgsql STABLE AS $style$
DECLARE
  own record;
  privacy text;
  template text;
BEGIN
  SELECT r.privacy, r.title_template, coalesce(r.outlook_item_name, r.outlook_item_id) AS name INTO own
  FROM bridge_resource_mappings r WHERE r.resource_id = room AND r.active = 1;
  privacy := nullif(coalesce(own.privacy, (SELECT s.value FROM bridge_settings s WHERE s.name = 'privacy')), 'neutral');
  template := nullif(coalesce(own.title_template, (SELECT s.value FROM bridge_settings s WHERE s.name = 'title_template')), '{title}');
  IF privacy IS NULL AND template IS NULL AND NOT bridge_view_has('{state,setup_minutes,teardown_minutes}') THEN
    RETURN NULL;
  END IF;
  RETURN jsonb_strip_nulls(jsonb_build_object('privacy', privacy, 'template', template, 'room', own.name,
    'prefix', nullif(coalesce((SELECT s.value FROM bridge_settings s WHERE s.name = 'tentative_prefix'), 'Tentative:'), 'none')));
END $style$;

-- A part of a template with its placeholders replaced. Without an organiser, the brackets or the separator around that placeholder
-- are removed as well.
CREATE OR REPLACE FUNCTION bridge_filled(piece text, item jsonb, style jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $filled$
  SELECT replace(replace(CASE WHEN o.organizer IS NULL
      THEN regexp_replace(piece, '\s*([(\[]\s*\{organizer\}\s*[)\]]|[^[:alnum:][:space:]{}()]\s+\{organizer\}|\{organizer\}(\s*[^[:alnum:][:space:]{}()](?=\s))?)', '', 'g')
      ELSE replace(piece, '{organizer}', o.organizer) END,
    '{type}', item ->> 'reservation_type'), '{room}', style ->> 'room')
  FROM (SELECT nullif(btrim(coalesce(item ->> 'organizer_name', item ->> 'organizer_email')), '') AS organizer) o
$filled$;

-- The additions of a style to the state of an item (bridge_item_state), under `as`: `privacy`; `before` and `after`, the text around
-- the title; `untitled`: there is no title between them; `tentative` and `awaiting`, the state; `setup` and `teardown`, minutes that
-- are shown with it. No text contains hidden values.
CREATE OR REPLACE FUNCTION bridge_appearance(item jsonb, style jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $appearance$
DECLARE
  privacy constant text := style ->> 'privacy';
  hidden constant boolean := coalesce(privacy = 'busy-only' OR (item ->> 'is_private')::boolean AND privacy IS DISTINCT FROM 'full', false);
  template constant text := CASE WHEN NOT hidden THEN style ->> 'template' END;
  at constant integer := position('{title}' IN template);
  tentative constant boolean := (item ->> 'active')::boolean AND item ->> 'state' = 'tentative';
  prefix constant text := CASE WHEN tentative AND privacy IS DISTINCT FROM 'busy-only' THEN (style ->> 'prefix') || ' ' END;
  own jsonb;
BEGIN
  own := jsonb_strip_nulls(jsonb_build_object('privacy', privacy,
    'before', nullif(concat(prefix, bridge_filled(CASE WHEN at > 0 THEN left(template, at - 1) ELSE template END, item, style)), ''),
    'after', nullif(bridge_filled(CASE WHEN at > 0 THEN substr(template, at + length('{title}')) END, item, style), ''),
    'untitled', CASE WHEN at = 0 THEN true END,
    'tentative', CASE WHEN tentative THEN true END,
    'awaiting', CASE WHEN NOT (item ->> 'active')::boolean AND item ->> 'state' = 'awaiting' THEN true END,
    'setup', nullif(greatest((item ->> 'setup_minutes')::integer, 0), 0),
    'teardown', nullif(greatest((item ->> 'teardown_minutes')::integer, 0), 0)));
  RETURN CASE WHEN own = '{}' THEN own ELSE jsonb_build_object('as', own) END;
END $appearance$;

-- Whether a reservation is not cancelled: it is active, or waits for approval. `item` is its row. Not whether Outlook shows it: while it
-- waits for approval, only an imported meeting has an event (sql/README.md).
CREATE OR REPLACE FUNCTION bridge_stands(item jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $stands$
  SELECT coalesce((item ->> 'active')::boolean OR item ->> 'state' = 'awaiting', false)
$stands$;

-- A changed setting of a room takes effect at once: the room is compared, and imports that wait are decided again.
CREATE OR REPLACE FUNCTION bridge_room_settings_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $settings$
BEGIN
  IF NEW.import_mode IS DISTINCT FROM OLD.import_mode THEN
    UPDATE bridge_mappings SET due_at = now(), lane = 0, attempt = 0, revision = revision + 1
    WHERE resource_id = NEW.resource_id AND waits_for = 'import';
  END IF;
  UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now(), updated_at = now(),
    push_lane = CASE WHEN push_due_at IS NULL THEN 1 ELSE push_lane END
  WHERE resource_mapping_id = NEW.id;
  PERFORM bridge_wake();
  RETURN NULL;
END $settings$;
CREATE OR REPLACE TRIGGER bridge_rooms_settings AFTER UPDATE ON bridge_resource_mappings FOR EACH ROW
  WHEN (NEW.active = 1 AND (OLD.conflict_policy, OLD.overlap_policy, OLD.import_mode, OLD.privacy, OLD.title_template, OLD.outlook_item_name)
        IS DISTINCT FROM (NEW.conflict_policy, NEW.overlap_policy, NEW.import_mode, NEW.privacy, NEW.title_template, NEW.outlook_item_name))
  EXECUTE FUNCTION bridge_room_settings_changed();

-- The same for a setting of the environment, which the daemon and `migrate` store.
CREATE OR REPLACE FUNCTION bridge_appearance_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $changed$
BEGIN
  -- a default, stored for the first time
  IF TG_OP = 'INSERT' AND NEW.value IN ('neutral', '{title}', 'Tentative:') THEN
    RETURN NULL;
  END IF;
  UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now(), updated_at = now(),
    push_lane = CASE WHEN push_due_at IS NULL THEN 1 ELSE push_lane END;
  PERFORM bridge_wake();
  RETURN NULL;
END $changed$;
CREATE OR REPLACE TRIGGER bridge_settings_appearance AFTER INSERT OR UPDATE OF value ON bridge_settings FOR EACH ROW
  WHEN (NEW.name IN ('privacy', 'title_template', 'tentative_prefix'))
  EXECUTE FUNCTION bridge_appearance_changed();
