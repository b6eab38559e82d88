import type { GraphAnswer, GraphRequest, TenantCore } from './core.ts';
import { asMembers } from './event-fields.ts';
import { findEvent, removeEvent } from './events.ts';
import { badRequest, invalidRequest } from './graph-error.ts';
import type { Mailbox } from './mailbox.ts';
import { respond } from './meetings.ts';
import { checkOptions } from './query.ts';
import { deleteInstance } from './series.ts';

/** POST .../cancel, by the organizer; the meeting moves to Deleted Items (Microsoft: event-cancel). */
export function cancelEvent(
  core: TenantCore,
  mailbox: Mailbox,
  request: GraphRequest,
  id: string,
): GraphAnswer {
  readParameters(request, ['comment']);
  const found = findEvent(mailbox, id);
  if (!found.event.isOrganizer) {
    throw invalidRequest("Your request can't be completed. You need to be an organizer to cancel a meeting.");
  }
  removeEvent(core, mailbox, found);
  return { status: 202 };
}

/** POST .../accept, /decline, /tentativelyAccept: the attendee's, refused on an own event (seen live, 2026-10). */
export const respondToEvent =
  (response: 'accepted' | 'declined' | 'tentativelyAccepted') =>
  (core: TenantCore, mailbox: Mailbox, request: GraphRequest, id: string): GraphAnswer => {
    const { sendResponse = true } = readParameters(request, ['comment', 'sendResponse']);
    if (typeof sendResponse !== 'boolean') throw badRequest('sendResponse is a Boolean.');
    const { event, master } = findEvent(mailbox, id);
    if (event.isOrganizer) {
      throw invalidRequest(
        "Your request can't be completed. You can't respond to this meeting because you're the meeting organizer.",
      );
    }
    if (master && response === 'declined') deleteInstance(mailbox.store, master, event);
    else respond(core, mailbox, master ?? event, response, sendResponse);
    return { status: 202 };
  };

function readParameters(request: GraphRequest, known: readonly string[]) {
  checkOptions(request.query, []);
  const body = request.body === undefined ? {} : asMembers(request.body);
  for (const [name, value] of Object.entries(body)) {
    if (!known.some((one) => one.toLowerCase() === name.toLowerCase())) {
      throw badRequest(
        `The parameter '${name}' in the request payload is not a valid parameter for the operation.`,
      );
    }
    if (name.toLowerCase() === 'comment' && value !== null && typeof value !== 'string') {
      throw badRequest('comment is a string.');
    }
  }
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => [name === 'SendResponse' ? 'sendResponse' : name, value]),
  ) as { readonly comment?: string; readonly sendResponse?: unknown };
}
