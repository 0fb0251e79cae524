package io.apprxy.balance;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.LoadBalancing;
import io.apprxy.balance.Selection.Slot;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/** A balancer whose time and luck belong to the test. */
final class TestBalancer {
  final Random random = new Random(42);
  final List<TestMember> members;
  final Balancer<TestMember> balancer;
  int ejections;
  int retries;
  int refusedRetries;
  int openings;
  private long nanos = -5_000_000_000L; // as System.nanoTime, it may be negative, and pass zero

  TestBalancer(UnaryOperator<LoadBalancing.Builder> settings, TestMember... members) {
    this.members = List.of(members);
    this.balancer =
        new Balancer<>(
            "app",
            settings.apply(LoadBalancing.builder()).build(),
            ErrorCode.NO_CONNECTOR,
            new BalanceEvents() {
              @Override
              public void ejected() {
                ejections++;
              }

              @Override
              public void retried() {
                retries++;
              }

              @Override
              public void retryRefused() {
                refusedRetries++;
              }

              @Override
              public void circuitOpened() {
                openings++;
              }
            },
            () -> nanos,
            random::nextInt);
    balancer.update(this.members);
  }

  static TestBalancer of(String... ids) {
    return new TestBalancer(settings -> settings, members(ids));
  }

  static TestMember[] members(String... ids) {
    TestMember[] members = new TestMember[ids.length];
    for (int i = 0; i < ids.length; i++) {
      members[i] = new TestMember(ids[i]);
    }
    return members;
  }

  void pass(Duration time) {
    nanos += time.toNanos();
  }

  /** One request. */
  Request begin() {
    return begin("user", null);
  }

  Request begin(String user, Predicate<TestMember> pin) {
    return new Request(balancer.begin(user, pin));
  }

  /** Serves a request, and tells where; ends it at once. */
  String serve() {
    return serve("user");
  }

  String serve(String user) {
    Request request = begin(user, null).attempt();
    request.end(Outcome.ANSWERED);
    return request.id();
  }

  /** How many of so many requests each endpoint serves, one after the other. */
  Map<String, Integer> serve(int requests) {
    Map<String, Integer> served = new LinkedHashMap<>();
    members.forEach(member -> served.put(member.id, 0));
    for (int i = 0; i < requests; i++) {
      served.merge(serve("user-" + i), 1, Integer::sum);
    }
    return served;
  }

  /** Lets an endpoint fail so many requests that are made to it. */
  void fail(String id, int times) {
    fail(id, times, Outcome.FAILED);
  }

  void fail(String id, int times, Outcome outcome) {
    for (int i = 0; i < times; i++) {
      Slot<TestMember> slot = at(id);
      slot.report(outcome);
      slot.release();
    }
  }

  void answer(String id) {
    Slot<TestMember> slot = at(id);
    slot.report(Outcome.ANSWERED);
    slot.release();
  }

  /** A slot of just this endpoint, whatever the balancer thinks of it. */
  Slot<TestMember> at(String id) {
    Endpoint<TestMember> endpoint =
        balancer.endpoints().stream()
            .filter(one -> one.member().id.equals(id))
            .findFirst()
            .orElseThrow();
    if (!endpoint.acquire()) {
      throw new IllegalStateException(id + " is busy");
    }
    Request request = begin();
    request.selection.grant(endpoint, request);
    return request.slot;
  }

  EndpointState state(String id) {
    return balancer.states().stream()
        .filter(state -> state.endpoint().equals(id))
        .findFirst()
        .orElseThrow();
  }

  /** A request whose thread is the test's; tasks wait until {@link #run}. */
  static final class Request implements Selection.Granted<TestMember> {
    final Selection<TestMember> selection;
    final List<Runnable> tasks = new ArrayList<>();
    Slot<TestMember> slot;
    GatewayException refusal;
    Selection.Waiter waiter;

    Request(Selection<TestMember> selection) {
      this.selection = selection;
    }

    Request attempt() {
      if (!selection.attempt()) {
        throw new IllegalStateException("no attempt is left");
      }
      return acquire();
    }

    Request acquire() {
      slot = null;
      refusal = null;
      waiter = selection.acquire(tasks::add, this);
      return this;
    }

    void run() {
      List<Runnable> now = List.copyOf(tasks);
      tasks.clear();
      now.forEach(Runnable::run);
    }

    String id() {
      return slot.member().id;
    }

    boolean isWaiting() {
      return slot == null && refusal == null;
    }

    void end(Outcome outcome) {
      if (outcome != null) {
        slot.report(outcome);
      }
      slot.release();
    }

    @Override
    public void granted(Slot<TestMember> granted) {
      slot = granted;
    }

    @Override
    public void refused(GatewayException cause) {
      refusal = cause;
    }
  }
}
