package io.apprxy.balance;

/** A member whose usability a test sets. */
final class TestMember implements Member {
  final String id;
  final int tier;
  final int weight;
  boolean usable = true;

  TestMember(String id) {
    this(id, 0, 1);
  }

  TestMember(String id, int tier, int weight) {
    this.id = id;
    this.tier = tier;
    this.weight = weight;
  }

  @Override
  public String id() {
    return id;
  }

  @Override
  public int tier() {
    return tier;
  }

  @Override
  public int weight() {
    return weight;
  }

  @Override
  public boolean isUsable() {
    return usable;
  }

  @Override
  public String toString() {
    return id;
  }
}
