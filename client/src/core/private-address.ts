/**
 * Whether the host of an address is, by its text, on a private, loopback or link-local network.
 *
 * A page cannot resolve names, so a public name that leads to a private address is not seen here; the coordinator checks
 * those before it lists a mirror, and browsers ask their user (local network access).
 */

/** IPv4 blocks that are not public: first address, prefix length (RFC 6890; multicast and reserved by RFC 5771, 1112). */
const IPV4_BLOCKS: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
];

/**
 * @param hostname as `URL.hostname` gives it: lower case, IPv4 in dotted decimal, IPv6 in brackets and compressed.
 */
export function isPrivateHost(hostname: string): boolean {
  if (hostname.endsWith(".")) return isPrivateHost(hostname.slice(0, -1)); // the root's dot: the same name
  if (hostname === "localhost" || hostname.endsWith(".localhost") || hostname.endsWith(".local")) return true;
  if (hostname.startsWith("[")) return isPrivateIpv6(hostname.slice(1, -1));
  const address = ipv4Number(hostname);
  return address !== undefined && isPrivateIpv4(address);
}

function isPrivateIpv4(address: number): boolean {
  return IPV4_BLOCKS.some(([first, prefix]) => {
    const size = 2 ** (32 - prefix);
    return Math.floor(address / size) === Math.floor((ipv4Number(first) ?? 0) / size);
  });
}

function isPrivateIpv6(text: string): boolean {
  if (text === "::" || text === "::1") return true;
  // IPv4 in IPv6, as the URL standard writes it: mapped ::ffff:7f00:1, NAT64 64:ff9b::7f00:1
  const mapped = /^(?:::ffff|64:ff9b:):([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text);
  if (mapped !== null)
    return isPrivateIpv4(Number.parseInt(mapped[1] ?? "", 16) * 65_536 + Number.parseInt(mapped[2] ?? "", 16));
  const first = Number.parseInt(text.split(":")[0] ?? "", 16);
  // fc00::/7 unique local, fe80::/10 link-local, fec0::/10 site-local of old, ff00::/8 multicast
  return (first & 0xfe00) === 0xfc00 || (first & 0xff80) === 0xfe80 || (first & 0xff00) === 0xff00;
}

function ipv4Number(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  return match?.slice(1).reduce((number, part) => number * 256 + Number(part), 0);
}
