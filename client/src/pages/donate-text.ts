/** All words of the donor page that its script writes, in one place. */

const STARTS_SOON = "It starts in five seconds; each change below gives you five more, and Stop keeps it off.";

export const TEXT = {
  start: "Start donating",
  stop: "Stop",
  stopAndErase: "Stop and erase",
  insecure:
    "This page was opened over plain http, and browsers give storage, hashing and workers only to secure pages. Ask the operator for an address that begins with https, or open it on the same machine as http://localhost.",
  missing: (what: string) =>
    `This browser lacks ${what}, which donating needs. A current Firefox, Chrome, Edge or Safari has it; private windows and some company policies switch it off.`,
  off: "Off. Nothing is stored or sent; starting keeps to the limits below.",
  offHolding: "Off. Nothing is sent. What was stored before is kept until you erase it.",
  starting: "Starting …",
  stopping: "Stopping …",
  erasing: "Stopping and erasing …",
  erased: "Stopped. Everything that was stored is erased.",
  stopped: "Stopped. What is stored is kept for next time.",
  noneLeft: "Stopped, since no cause is chosen. What is stored is kept for next time.",
  connecting: "On. Connecting to this site …",
  offline: (seconds: number) =>
    `On, but this site does not answer. What is on its way goes on; trying again ${seconds <= 1 ? "now" : `in ${seconds} seconds`}.`,
  serving: (people: number) =>
    people === 1 ? "On. Helping 1 person right now." : `On. Helping ${people} people right now.`,
  filling: "On. Fetching pieces to hold.",
  waiting: "On and ready. Nobody needs your pieces at this moment.",
  nothing: "On. There is nothing to hold for these causes at present.",
  paused: {
    day_used: "On, and resting: today's limit is used up. It goes on after midnight.",
    month_used: "On, and resting: this month's limit is used up. It goes on with the next month.",
    hours: "On, and resting: it goes on in the hours that you chose.",
    battery: "On, and resting until this device is charging.",
    metered: "On, and resting: this connection is mobile data, or the browser is asked to save data.",
  },
  elsewhere: "Another tab of this browser is donating. This is how it goes there.",
  failed: (message: string) => `Donating ended: ${message}`,
  problem: (code: string) =>
    code === "quota_exceeded" || code === "disk_full"
      ? "The browser gives this page no more room; what fits is kept."
      : "Some files cannot be fetched at present; the rest goes on.",
  noCauses: "No causes are named here yet. What you give goes to all files of this site.",
  causesUnknown: "The causes could not be loaded. What you give goes to all of them.",
  chooseCause: "Choose at least one cause.",
  needHigh: "needs help now",
  needSome: "could use help",
  needLow: "well served",
  causeFacts: (files: number, size: string) => `${files === 1 ? "1 file" : `${files} files`}, ${size}`,
  held: (used: string, limit: string) => `${used} of ${limit}`,
  fetching: (held: number, assigned: number) => `${held} of ${assigned} pieces fetched`,
  verified: (size: string, people: number) =>
    people === 0
      ? "Nobody has confirmed anything yet in this visit."
      : `${size} confirmed as right by ${people === 1 ? "1 person" : `${people} people`} in this visit.`,
  pieces: (count: number, all: number) =>
    all > 0 ? `${count} of ${all} pieces` : count === 1 ? "1 piece" : `${count} pieces`,
  allDevices: (ever: string, today: string) => `With all your devices: ${ever} confirmed ever, ${today} today.`,
  codeWrong: "That is no code: 28 letters and digits, in groups of four.",
  codeTaken: "Taken. It counts from the next start on.",
  somewhere: "country not known",
  measuring: "Measuring your upload: a few seconds …",
  measured: (rate: string, most: string) =>
    `Your line sends about ${rate}; at most ${most} of it is given. ${STARTS_SOON}`,
  slow: (most: string) => `Your line is too slow to be measured, so at most ${most} is given. ${STARTS_SOON}`,
  unmeasured: (most: string) => `Your line could not be measured, so at most ${most} is given. ${STARTS_SOON}`,
  freeing: "Off. Making room …",
  /** @param measured 0: the line was too slow for that; undefined: nothing was. */
  rateNote: (measured: string | 0 | undefined, most: string) =>
    measured === 0
      ? "For all people together. Your line was too slow to be measured. Mobile plans may charge for it."
      : measured === undefined
        ? "For all people together. Unless you choose it, the first start measures your line and takes a quarter. Mobile plans may charge for it."
        : `For all people together. Your line sent about ${measured} when it was measured; unless you choose, a quarter of that, at most ${most}. Mobile plans may charge for it.`,
  phone: "Phones stop pages that are not in sight: keep this one open and the screen stays on while you give.",
  complain: "Something here should not be spread? Tell the operator: ",
  noContact: "The operator of this site has named nobody to complain to.",
  slowed: "On, and going slower: this device is busy with something else.",
  kept: "The browser keeps this until you erase it.",
  keptRefused: "The browser did not agree. It may remove this when the device runs low on space; others hold the same.",
  keptWhileRoom:
    "If this device runs low on space, the browser may remove this. Nothing is lost: others hold the same.",
  unnamed: "name not known at present",
  more: (count: number) => `and ${count} more`,
  noLimit: "No limit",
  anyTime: "any time",
  moreLimits: (count: number) =>
    count === 0 ? "per day, per month, hours, battery" : count === 1 ? "1 in force" : `${count} in force`,
  leftToday: (size: string) => `${size} left today`,
  leftThisMonth: (size: string) => `${size} left this month`,
  storageNote: (max: string) => `This browser offers up to ${max}. Counted with everything we store.`,
  fromHere: (count: number) => `to ${count === 1 ? "1 person" : `${count} people`}, from this browser`,
  today: (people: number, left: string) => `to ${people === 1 ? "1 person" : `${people} people`}${left && `, ${left}`}`,
  people: (count: number) => (count === 1 ? "1 person" : `${count} people`),
} as const;
