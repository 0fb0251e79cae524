/**
 * State that several gateways share: {@link io.apprxy.cluster.SharedState}, embedded by default.
 */
@NullMarked
package io.apprxy.cluster;

import org.jspecify.annotations.NullMarked;
