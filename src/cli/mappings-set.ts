/** `mappings set`: the settings of one room, which override the environment's. They take effect at once. */
import { Invalid } from '../errors.ts';
import {
  isRoomSetting,
  ownSettings,
  roomSettingNames,
  settingProblem,
  type RoomSettings,
} from '../room-settings.ts';
import { createRoomSwitch } from '../sync/manual/room-list.ts';
import { recordCommand } from './audit.ts';
import { say, sayJson } from './terminal.ts';
import { resourceNumber, withDatabase } from './with-database.ts';

export async function setMapping(
  resource: string,
  words: readonly string[],
  options: { json?: boolean },
): Promise<number> {
  const requested = Object.fromEntries(words.map(settingOf)) as Partial<RoomSettings>;
  const { resourceId, settings } = await withDatabase('mappings set', async (db) => {
    const id = await resourceNumber(db, 'RESOURCE', resource);
    await recordCommand(db, `mappings set ${resource} ${words.join(' ')}`, id);
    return { resourceId: id, settings: await createRoomSwitch(db).set(id, requested) };
  });
  if (settings === null)
    throw new Invalid(
      'RESOURCE',
      `Resource ${resourceId} is not mapped to a room.`,
      '`mappings list` shows the mapped ones.',
    );
  if (options.json === true) sayJson({ success: true, resource_id: resourceId, settings });
  else {
    const own = ownSettings(settings);
    say(
      own.length === 0
        ? `Resource ${resourceId} has the settings of the environment.`
        : `Resource ${resourceId}: ${own.join(', ')}; other settings are the environment's.`,
    );
  }
  return 0;
}

/** Parses `name=value`. The value is null if it is empty: the environment's applies. Throws Invalid. */
function settingOf(word: string): [keyof RoomSettings, string | null] {
  const [name, value] = [word.split('=', 1)[0]!, word.slice(word.indexOf('=') + 1)];
  if (!word.includes('=') || !isRoomSetting(name))
    throw new Invalid(
      'SETTING',
      `'${word.slice(0, 100)}' is not a setting of a room.`,
      `Write NAME=VALUE with one of ${roomSettingNames.join(', ')}; NAME= removes the room's own value.`,
    );
  if (value === '') return [name, null];
  const problem = settingProblem(name, value);
  if (problem !== null)
    throw new Invalid(
      name,
      `${name} '${value.slice(0, 250)}' ${problem}.`,
      '`mappings list --json` shows the current values.',
    );
  return [name, value];
}
