/** The tenant's directory: object ids of mailboxes, and the rooms. The app may lack the rights for either. */
import { Permanent } from '../errors.ts';
import { membersOf, textOf } from './format.ts';
import { encode, type Call, type GraphHttp } from './http.ts';
import { pagesOf } from './pages.ts';

interface Place {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly capacity: number | null;
  readonly building: string | null;
  readonly floor: string | null;
}

/** The places in the directory; empty with a hint if it refuses. */
export interface Places {
  readonly places: readonly Place[];
  readonly hint: string | null;
}

const objectId = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function createDirectory(http: GraphHttp) {
  /**
   * The object id of a mailbox, its more stable address; null if the app may not read the directory
   * (User.Read.All). Throws Permanent of reach 'room' if there is no such user.
   */
  async function resolveMailbox(address: string, signal: AbortSignal): Promise<string | null> {
    if (objectId.test(address)) return address;
    const call = directoryCall('look up a mailbox', `/users/${encode(address)}?$select=id`);
    const answer = await http.send(call, signal);
    if (answer.status === 401 || answer.status === 403) return null;
    if (answer.status === 404)
      throw new Permanent(`there is no mailbox '${address}'`, {
        reach: 'room',
        hint: 'Correct outlook_item_id of the room: the object id or the address of its mailbox.',
      });
    if (answer.status !== 200) throw http.refused(answer, call);
    return textOf(membersOf(answer.body).id);
  }

  /** Place.Read.All is needed (Microsoft: place-list). */
  async function listPlaces(kind: 'room' | 'roomList', signal: AbortSignal): Promise<Places> {
    const call = directoryCall('list places', `/places/microsoft.graph.${kind}?$top=100`);
    const places: Place[] = [];
    try {
      for await (const rows of pagesOf(http, call, signal))
        places.push(...rows.map(readPlace).filter((place) => place !== null));
    } catch (error) {
      if (!(error instanceof Permanent)) throw error;
      return { places: [], hint: `The directory refuses the list. ${error.hint ?? error.message}` };
    }
    return { places, hint: null };
  }

  return {
    resolveMailbox,
    rooms: (signal: AbortSignal) => listPlaces('room', signal),
    roomLists: (signal: AbortSignal) => listPlaces('roomList', signal),
  };
}

const directoryCall = (what: string, path: string): Call => ({
  what,
  mailbox: null,
  method: 'GET',
  path,
  hint: 'Give the app Place.Read.All and User.Read.All, with admin consent.',
});

function readPlace(value: unknown): Place | null {
  const { id, displayName, emailAddress, capacity, building, floorLabel, floorNumber } = membersOf(value);
  const key = textOf(id);
  if (key === null) return null;
  const floor = typeof floorNumber === 'number' ? String(floorNumber) : null;
  return {
    id: key,
    name: textOf(displayName) ?? '',
    email: textOf(emailAddress) ?? '',
    capacity: typeof capacity === 'number' ? capacity : null,
    building: textOf(building),
    floor: textOf(floorLabel) ?? floor,
  };
}
