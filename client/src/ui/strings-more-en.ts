/**
 * The words of what the panel has beyond its cards, in English, as strings-en.ts: they come with that part, which most
 * visits need a moment later or not at all (snippet/more-part.ts). Other languages have one table for both.
 */

export const MORE_ENGLISH = {
  // Sharing
  share: "Help others",
  share_ask:
    "Help others while this page is open? What you have of this file is passed on to people who download it, too. They see your network address, and you theirs.",
  share_limits: "At most {rate} and {daily} a day, never over a metered connection.",
  share_no: "No, thanks",
  share_stop: "Stop",
  share_off: "You are not helping others.",
  share_starting: "Connecting …",
  share_waiting: "Nobody needs it right now.",
  share_now: { one: "{rate} to {count} person", other: "{rate} to {count} people" },
  share_given: { one: "{size} given to {count} person", other: "{size} given to {count} people" },
  share_offline: "The server does not answer; we keep trying.",
  share_elsewhere: "Another tab of this site helps already.",
  share_failed: "This page cannot do it here.",
  share_day_used: "Paused: today's limit is used up.",
  share_month_used: "Paused: this month's limit is used up.",
  share_metered: "Paused: this connection is metered.",
  share_paused: "Paused.",
  said_sharing: "You are helping others now. The button to stop is in the panel.",
  said_not_sharing: "You are not helping others any more.",

  // What earlier visits left
  unfinished: { one: "{count} unfinished download", other: "{count} unfinished downloads" },
  unfinished_state: "{percent} of {size}, {when}",
  unfinished_running: "on its way in a tab",
  unfinished_go_on: "Go on",
  unfinished_delete: "Delete",
  unfinished_delete_name: "Delete what is stored of {name}",
} as const;
