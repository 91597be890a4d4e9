/** The words of the badge; those that it shares with the donor page are in donate-text.ts. */

export const BADGE_TEXT = {
  title: (cause: string) => `Help with ${cause}`,
  terms: (storage: string, rate: string) =>
    `While this page is open, your browser passes pieces of public files on to other people, who can see your network address and you theirs. At most ${storage} stored, ${rate} sent.`,
  perSite:
    "These limits hold for the site that shows this badge. A badge on another site knows nothing of this one and counts for itself.",
  covered: "This badge was not fully in sight for the last second, so the click does not count. Please try again.",
  complain: "Complain to the operator",
  elsewhere: "Another badge or page of this browser is giving already. This is how it goes there.",
  off: "Off until you start.",
  limits: "Limits",
  close: "Close",
  noLimit: "No limit",
} as const;
