/** What waits for a person, and what is under way, as conditions in SQL. `m`: the mapping, `d`: the removal. */

/** A conflict that waits for a person; removals that the brake holds are listed by themselves. */
export const isOpenConflict = `m.sync_status = 'conflict' AND m.conflict ->> 'kind' <> 'gone'`;

/**
 * Removal `d` of mapping `m` waits for a person, because the brake holds it. A removal may also wait behind an open conflict: that is
 * decided as a conflict.
 */
export const isHeld = `m.sync_status = 'conflict' AND coalesce(m.conflict ->> 'kind', 'gone') = 'gone'
  AND d.released_at IS NULL AND d.applied_at IS NULL`;

/** Mapping `m` is to be worked on; one that has failed and is tried again slowly counts as failed. */
export const isUnderWay = `m.due_at IS NOT NULL AND m.sync_status <> 'error'`;
