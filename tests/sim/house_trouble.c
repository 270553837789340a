/* What the operator and the machine do to the relay. */
#include "sim/house.h"

static void ring_give_back(void *ctx)
{
        (void)ctx;
        if (house.ring_taken > 0)
                usage_ring_release(house.ring, house.ring_taken);
        house.ring_taken = 0;
}

static void keeper_up(void *ctx)
{
        (void)ctx;
        atomic_store(&house.board.keeper, KEEPER_OPEN);
}

static void lease_open(void *ctx)
{
        (void)ctx;
        lease_write_begin(&house.lease);
        lease_write_end(&house.lease, true);
        keeper_up(nullptr);
}

static void memory_back(void *ctx)
{
        (void)ctx;
        sim_memory_fail(0);
}

static void trouble_make(void)
{
        uint64_t us = sim_between(1000, 3000000);
        switch (sim_below(8)) {
        case 0:
                sim_say("operator: the keeper goes down");
                atomic_store(&house.board.keeper, KEEPER_DOWN);
                sim_later(us, keeper_up, nullptr);
                break;
        case 1:
                sim_say("operator: the vault is sealed");
                lease_write_begin(&house.lease);
                lease_write_end(&house.lease, false);
                atomic_store(&house.board.keeper, KEEPER_SEALED);
                sim_later(us, lease_open, nullptr);
                break;
        case 2:
                house.keeper_stalls_until_us = sim_now_us() + us * 10;
                break;
        case 3:
                if (house.ring_taken == 0)
                        while (usage_ring_reserve(house.ring, 20))
                                house.ring_taken += 20;
                usage_ring_release(house.ring, house.ring_taken < 40 ? house.ring_taken : 40);
                house.ring_taken -= house.ring_taken < 40 ? house.ring_taken : 40;
                sim_later(us, ring_give_back, nullptr);
                break;
        case 4:
                sim_wall_step_s += sim_chance(50) ? -7200 : 86400;
                break;
        case 5:
                sim_say("operator: the machine stands still");
                sim_freeze(sim_between(1000, 30000000));
                play.frozen_us = sim_now_us();
                break;
        case 6:
                sim_say("operator: memory is short");
                sim_memory_fail((unsigned)sim_between(20, 500));
                play.short_until_us = sim_now_us() + us;
                sim_later(us, memory_back, nullptr);
                break;
        case 7:
                if (sim_chance(20)) {
                        house_drain(sim_chance(50) ? 0 : sim_between(1, 5000));
                        play.cut_all = true;
                }
                break;
        default:
                break;
        }
}

static void on_operator(void *ctx)
{
        (void)ctx;
        if (sim_now_us() >= house.trouble_until_us)
                return;
        if (sim_chance(play.storm))
                trouble_make();
        net_timer_set(sim_loop, &house.operator, sim_between(500, 8000));
}

void house_trouble(uint64_t until_us)
{
        house.trouble_until_us = until_us;
        house.operator=(net_timer){.fire = on_operator};
        net_timer_set(sim_loop, &house.operator, sim_between(100, 5000));
}

void house_calm(void)
{
        net_timer_clear(sim_loop, &house.operator);
        keeper_up(nullptr);
        lease_open(nullptr);
        memory_back(nullptr);
        ring_give_back(nullptr);
        house.keeper_stalls_until_us = 0;
}

void house_drain(uint64_t ms)
{
        sim_say("operator: the relay drains, %llu ms", (unsigned long long)ms);
        play.draining = true;
        relay_drain(house.relay, ms);
}

bool house_drained(void) { return house.drained > 0; }
