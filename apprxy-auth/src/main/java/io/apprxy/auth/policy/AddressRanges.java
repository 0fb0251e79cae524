package io.apprxy.auth.policy;

import io.apprxy.rewrite.IpNetwork;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * The addresses of many networks, found in logarithmic time. IPv4 and IPv6 are apart: {@code ::/0}
 * has no IPv4 address. Immutable.
 */
final class AddressRanges {
  private final byte[][][] ranges4;
  private final byte[][][] ranges6;

  AddressRanges(List<String> networks) {
    List<IpNetwork> parsed = networks.stream().map(IpNetwork::parse).toList();
    ranges4 = sorted(parsed, 4);
    ranges6 = sorted(parsed, 16);
  }

  boolean isEmpty() {
    return ranges4.length == 0 && ranges6.length == 0;
  }

  boolean contains(InetAddress address) {
    byte[] octets = address.getAddress();
    byte[][][] ranges = octets.length == 4 ? ranges4 : ranges6;
    int low = 0;
    int high = ranges.length - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      if (Arrays.compareUnsigned(octets, ranges[middle][0]) < 0) {
        high = middle - 1;
      } else if (Arrays.compareUnsigned(octets, ranges[middle][1]) > 0) {
        low = middle + 1;
      } else {
        return true;
      }
    }
    return false;
  }

  /** First and last address of each, in order; those that lie in another are left out. */
  private static byte[][][] sorted(List<IpNetwork> networks, int length) {
    List<byte[][]> all = new ArrayList<>();
    for (IpNetwork network : networks) {
      byte[] first = network.address().getAddress();
      if (first.length == length) {
        byte[] last = first.clone();
        for (int bit = network.prefix(); bit < length * 8; bit++) {
          last[bit / 8] |= (byte) (1 << (7 - bit % 8));
        }
        all.add(new byte[][] {first, last});
      }
    }
    // Networks lie in each other or apart: of two that begin together the larger one comes first.
    all.sort(
        Comparator.<byte[][], byte[]>comparing(range -> range[0], Arrays::compareUnsigned)
            .thenComparing(range -> range[1], (a, b) -> Arrays.compareUnsigned(b, a)));
    List<byte[][]> outer = new ArrayList<>();
    for (byte[][] range : all) {
      if (outer.isEmpty() || Arrays.compareUnsigned(range[1], outer.get(outer.size() - 1)[1]) > 0) {
        outer.add(range);
      }
    }
    return outer.toArray(byte[][][]::new);
  }
}
