package io.apprxy.auth.policy;

import io.apprxy.Identity;
import io.apprxy.auth.policy.Policy.TimeWindow;
import io.apprxy.rewrite.IpNetwork;
import java.net.InetAddress;
import java.time.DayOfWeek;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneId;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The signals of one decision, with what several policies ask of them found out once. Not
 * thread-safe.
 */
final class Evaluation {
  private static final byte YES = 1;
  private static final byte NO = 2;
  private static final byte IN_DOUBT = 3;

  final Signals signals;
  private final List<CompiledLocation> locations;
  private final byte[] found;
  private final @Nullable InetAddress address;
  private @Nullable String foldedPath;
  private @Nullable ZoneId zone;
  private @Nullable LocalDateTime there;
  private boolean inDoubt;

  /** A named location, ready to be asked. */
  record CompiledLocation(NamedLocation location, AddressRanges ranges, Set<String> countries) {
    static CompiledLocation of(NamedLocation location) {
      return new CompiledLocation(
          location,
          new AddressRanges(location.ipRanges()),
          Set.copyOf(location.countriesAndRegions()));
    }
  }

  Evaluation(Signals signals, List<CompiledLocation> locations) {
    this.signals = signals;
    this.locations = locations;
    this.found = new byte[locations.size()];
    String literal = signals.clientAddress();
    this.address = locations.isEmpty() || literal == null ? null : IpNetwork.address(literal);
  }

  /** A signal is missing that the policy asks for. */
  void doubt() {
    inDoubt = true;
  }

  /** Whether there was doubt since this was asked last. */
  boolean wasInDoubt() {
    boolean was = inDoubt;
    inDoubt = false;
    return was;
  }

  /** Whether the client may be in one of the locations, given by their places in the list. */
  boolean mayBeIn(int[] places) {
    boolean maybe = false;
    for (int place : places) {
      byte there = find(place);
      if (there == YES) {
        return true;
      }
      maybe |= there == IN_DOUBT;
    }
    inDoubt |= maybe;
    return maybe;
  }

  /** Whether the client is known to be in one of the locations. */
  boolean isIn(int[] places) {
    for (int place : places) {
      byte there = find(place);
      if (there == YES) {
        return true;
      }
      inDoubt |= there == IN_DOUBT;
    }
    return false;
  }

  private byte find(int place) {
    if (found[place] == 0) {
      found[place] = find(locations.get(place));
    }
    return found[place];
  }

  private byte find(CompiledLocation compiled) {
    boolean inDoubt = false;
    if (!compiled.ranges.isEmpty()) {
      if (address == null) {
        inDoubt = true;
      } else if (compiled.ranges.contains(address)) {
        return YES;
      }
    }
    if (compiled.location.needsCountry()) {
      String country = signals.country();
      if (country == null) {
        inDoubt = true;
      } else if (country.equals(CountryLookup.UNKNOWN)
          ? compiled.location.includeUnknownCountriesAndRegions()
          : compiled.countries.contains(country)) {
        return YES;
      }
    }
    return inDoubt ? IN_DOUBT : NO;
  }

  /** The path as the most careless origin would read it; only if it is known. */
  String foldedPath() {
    if (foldedPath == null) {
      foldedPath = Folding.path(Objects.requireNonNull(signals.path()));
    }
    return foldedPath;
  }

  boolean isWithin(TimeWindow window) {
    LocalDateTime now = there(window.zone());
    LocalTime time = now.toLocalTime();
    DayOfWeek today = now.getDayOfWeek();
    boolean overnight = !window.to().isAfter(window.from());
    if (!time.isBefore(window.from())) {
      return window.days().contains(today) && (overnight || time.isBefore(window.to()));
    }
    return overnight && time.isBefore(window.to()) && window.days().contains(today.minus(1));
  }

  private LocalDateTime there(ZoneId asked) {
    if (there == null || !asked.equals(zone)) {
      zone = asked;
      there = LocalDateTime.ofInstant(signals.time(), asked);
    }
    return there;
  }

  // ---- how the user signed in; a claim that is of another type says nothing

  @Nullable String acr() {
    return signals.identity().claim("acr") instanceof String acr ? acr : null;
  }

  /** Whether {@code amr} names all of these. */
  boolean hasMethods(List<String> methods) {
    return list("amr").containsAll(methods);
  }

  /** Whether {@code acrs} names the authentication context. */
  boolean hasContext(String context) {
    return list("acrs").contains(context);
  }

  boolean lacksGroups() {
    return Claims.lacksGroups(signals.identity());
  }

  /** Whether the issuer is an Entra tenant, which knows contexts but no acr values. */
  boolean isOfEntra() {
    return signals.identity().claim("tid") instanceof String;
  }

  private Collection<?> list(String claim) {
    Identity identity = signals.identity();
    return identity.claim(claim) instanceof Collection<?> values ? values : List.of();
  }
}
