/** Repairs that several checks of an adapter name. */
import type { Ability } from '../abilities.ts';
import type { Report } from './doctor-findings.ts';

/** The repair of a missing privilege, also on a table that a trigger of the booking system writes. */
export const grant = 'Grant the privilege to our role, and add it to 00_rights.sql.';

export const undeclared = (ability: Ability, message: string, report: Report) =>
  report(
    'warning',
    'abilities',
    message,
    `If the booking system cannot support it, add the word ${ability} to the setting abilities in 40_defaults.sql (sql/README.md, "Abilities").`,
  );
