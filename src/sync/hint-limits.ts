/**
 * The limits of the hints of one room, from the smallest. Up to `fewHints` are read at once, one call each; more are first answered by
 * a delta round, which takes few calls. Those that are left are read `hintsReadMost` at a time, from the 100 that come first (`bridge_hints_of`: enough
 * for several times, and bounds the answer of a lease). Beyond `hintsKeptMost` even that rate is too slow, and a full scan takes their place.
 */

export const fewHints = 8;

/**
 * Read at a time, with a pause between: about the rate that Graph allows for a mailbox (Microsoft: throttling-limits, Outlook: 10,000
 * requests in 10 minutes).
 */
export const hintsReadMost = 16;

/** Stored for a room. With more of them a full scan is requested, which takes fewer calls. */
export const hintsKeptMost = 500;
