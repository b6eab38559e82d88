/** What a room may do differently from the others: `bridge_resource_mappings` has a column for each. Null: as the environment says. */
import { privacies, templateProblem, type Privacy } from './appearance.ts';

export const conflictPolicies = ['booking', 'outlook', 'newest', 'ask'] as const;
export const overlapPolicies = ['flag', 'import', 'decline'] as const;
export const importModes = ['auto', 'manual'] as const;

export interface RoomSettings {
  readonly conflict_policy: (typeof conflictPolicies)[number] | null;
  readonly overlap_policy: (typeof overlapPolicies)[number] | null;
  readonly import_mode: (typeof importModes)[number] | null;
  readonly privacy: Privacy | null;
  readonly title_template: string | null;
}

const choices: Readonly<Record<keyof RoomSettings, readonly string[] | null>> = {
  conflict_policy: conflictPolicies,
  overlap_policy: overlapPolicies,
  import_mode: importModes,
  privacy: privacies,
  title_template: null,
};

export const roomSettingNames = Object.keys(choices) as (keyof RoomSettings)[];

/** The columns, for a query. */
export const roomSettingColumns = (alias: string): string =>
  roomSettingNames.map((name) => `${alias}.${name}`).join(', ');

export const isRoomSetting = (name: string): name is keyof RoomSettings => Object.hasOwn(choices, name);

/** What is wrong with a value, with the repair; null: nothing. */
export function settingProblem(name: keyof RoomSettings, value: string): string | null {
  const allowed = choices[name];
  if (allowed === null) return templateProblem(value);
  return allowed.includes(value) ? null : `is none of ${allowed.join(', ')}`;
}

/** Those that a room has of its own, as `name=value`. */
export const ownSettings = (room: Partial<RoomSettings>): string[] =>
  roomSettingNames.flatMap((name) => (room[name] == null ? [] : [`${name}=${room[name]}`]));
