import type { GraphAnswer, GraphRequest, TenantCore } from './core.ts';
import { GraphError, badRequest } from './graph-error.ts';
import { checkOptions, readNumber } from './query.ts';

const USUAL_PAGE = 100;

/** GET /places/microsoft.graph.room, /microsoft.graph.roomList and /{list}/microsoft.graph.roomlist/rooms. */
export function listPlaces(core: TenantCore, request: GraphRequest): GraphAnswer {
  checkOptions(request.query, ['$top', '$skip', '$count', '$select']);
  const [, kind = '', cast = '', rooms = ''] = request.segments.map((segment) => segment.toLowerCase());
  if (!core.faults.switchesFor(undefined).mayReadPlaces) {
    throw new GraphError(
      403,
      'Authorization_RequestDenied',
      'Insufficient privileges to complete the operation.',
    );
  }
  const ofList = cast === 'microsoft.graph.roomlist' && rooms === 'rooms';
  const isRooms = (kind === 'microsoft.graph.room' && cast === '') || ofList;
  if (!isRooms && (kind !== 'microsoft.graph.roomlist' || cast !== '')) {
    throw badRequest(`Resource not found for the segment '${request.segments[1] ?? ''}'.`);
  }
  const all = isRooms ? core.directory.rooms().map(viewRoom) : [roomList];
  const top = readNumber(request.query, '$top', 1, 1_000) ?? USUAL_PAGE;
  const skip = readNumber(request.query, '$skip', 0, 1e8) ?? 0;
  const link = `${core.graphBaseUrl}${request.path}?$top=${top}&$skip=${skip + top}`;
  return {
    status: 200,
    body: {
      '@odata.context': `${core.graphBaseUrl}/$metadata#places/${isRooms ? 'microsoft.graph.room' : 'microsoft.graph.roomList'}`,
      ...(request.query.get('$count') === 'true' ? { '@odata.count': all.length } : {}),
      value: all.slice(skip, skip + top),
      ...(skip + top < all.length ? { '@odata.nextLink': link } : {}),
    },
  };
}

const roomList = {
  id: '3d2f3a0e-5c3a-4c8e-9d58-6a4f0f0d7c11',
  displayName: 'All rooms',
  emailAddress: 'all-rooms@sandbox.example',
  phone: '',
  address: null,
  geoCoordinates: null,
};

/** A place has an id of its own, which is not the mailbox'. */
const viewRoom = ({ id, name, upn }: { id: string; name: string; upn: string }) => ({
  id: id.replace(/^./, (digit) => (digit === 'f' ? '0' : 'f')),
  emailAddress: upn,
  displayName: name,
  address: null,
  geoCoordinates: null,
  phone: '',
  nickname: name,
  label: null,
  capacity: 8,
  building: null,
  floorNumber: null,
  floorLabel: null,
  isWheelChairAccessible: false,
  bookingType: 'standard',
  tags: [],
  audioDeviceName: null,
  videoDeviceName: null,
  displayDeviceName: null,
});
