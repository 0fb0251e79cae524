package io.apprxy.auth.policy;

import io.apprxy.rewrite.IpNetwork;
import java.util.List;
import java.util.regex.Pattern;

/**
 * A place that policies name: an address is there if it is in one of the networks, or in one of the
 * countries. Immutable. The parts are named as in Microsoft Graph ({@code ipNamedLocation}, {@code
 * countryNamedLocation}).
 *
 * @param displayName its name, unique in a set
 * @param trusted whether {@link Policy#ALL_TRUSTED} means it, too ({@code isTrusted}). Default:
 *     false
 * @param ipRanges addresses and networks of IPv4 and IPv6, such as {@code 192.0.2.0/24}; an
 *     IPv4-mapped address is the IPv4 address
 * @param countriesAndRegions countries by ISO 3166-1 alpha-2, such as {@code DE}; they need a
 *     {@link CountryLookup}
 * @param includeUnknownCountriesAndRegions whether addresses of which no country is known are
 *     there, too. Default: false
 */
public record NamedLocation(
    String displayName,
    boolean trusted,
    List<String> ipRanges,
    List<String> countriesAndRegions,
    boolean includeUnknownCountriesAndRegions) {

  private static final Pattern COUNTRY = Pattern.compile("[A-Z]{2}");

  /**
   * A location.
   *
   * @throws IllegalArgumentException if it has no name, or one that has a meaning of its own, is
   *     nowhere, or a network or country is none
   */
  public NamedLocation {
    ipRanges = List.copyOf(ipRanges);
    countriesAndRegions = List.copyOf(countriesAndRegions);
    if (displayName.isBlank()
        || displayName.equals(Policy.ALL)
        || displayName.equals(Policy.ALL_TRUSTED)) {
      throw new IllegalArgumentException(
          "a named location must have a name, other than All and AllTrusted: " + displayName);
    }
    for (String range : ipRanges) {
      try {
        IpNetwork.parse(range);
      } catch (IllegalArgumentException e) {
        throw new IllegalArgumentException(
            "an IP range of \"" + displayName + "\" is none: " + e.getMessage(), e);
      }
    }
    for (String country : countriesAndRegions) {
      if (!COUNTRY.matcher(country).matches() || country.equals(CountryLookup.UNKNOWN)) {
        throw new IllegalArgumentException(
            "a country of \"" + displayName + "\" must be two letters, such as DE: " + country);
      }
    }
    if (ipRanges.isEmpty() && countriesAndRegions.isEmpty() && !includeUnknownCountriesAndRegions) {
      throw new IllegalArgumentException(
          "the named location \"" + displayName + "\" must have an IP range or a country");
    }
  }

  /**
   * The addresses of some networks, which are not trusted.
   *
   * @throws IllegalArgumentException as {@link NamedLocation} does
   */
  public static NamedLocation networks(String displayName, String... ipRanges) {
    return new NamedLocation(displayName, false, List.of(ipRanges), List.of(), false);
  }

  /**
   * The addresses of some networks, which are trusted.
   *
   * @throws IllegalArgumentException as {@link NamedLocation} does
   */
  public static NamedLocation trustedNetworks(String displayName, String... ipRanges) {
    return new NamedLocation(displayName, true, List.of(ipRanges), List.of(), false);
  }

  /**
   * The addresses of some countries, without those of which none is known.
   *
   * @throws IllegalArgumentException as {@link NamedLocation} does
   */
  public static NamedLocation countries(String displayName, String... countries) {
    return new NamedLocation(displayName, false, List.of(), List.of(countries), false);
  }

  boolean needsCountry() {
    return !countriesAndRegions.isEmpty() || includeUnknownCountriesAndRegions;
  }
}
