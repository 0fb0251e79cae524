/**
 * Spreads requests over endpoints, and knows which of them serve. Start with {@link
 * io.apprxy.balance.Balancer}; what it follows is {@link io.apprxy.LoadBalancing}.
 */
@NullMarked
package io.apprxy.balance;

import org.jspecify.annotations.NullMarked;
