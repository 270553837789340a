/* Which door, and how to knock. */
#include "base/emit.h"
#include "prog/lethectl.h"

verdict door_open(const lethectl *c, bool unlock, keeper_door *door)
{
        *door = (keeper_door){};
        if (c->admin != nullptr && c->state != nullptr)
                return misused("--state and --admin are two ways to the same vault: give one");
        if (c->state != nullptr)
                return file_door_open(c, unlock, door);
        if (c->admin == nullptr)
                return misused("say where the vault is: --state FILE, or --admin URL of a running lethed "
                               "(or LETHE_ADMIN_URL)");
        err e = admin_door_open(c, door);
        if (!failed(e))
                return DONE;
        return door->why[0] != '\0' ? refuse(door->why, nullptr) : refuse_err(c->admin, e, nullptr);
}

void door_close(keeper_door *door)
{
        if (door->close != nullptr)
                door->close(door->ctx);
        *door = (keeper_door){};
}

static verdict door_refused(const keeper_door *door, err e)
{
        if (door->why[0] != '\0')
                return refuse(door->why, nullptr);
        return refuse(err_describe(e.code)->text, nullptr);
}

verdict door_call(keeper_door *door, keeper_op op, view in, void *answer, size_t len)
{
        region out;
        region_init(&out, KEEPER_BYTES);
        door->why[0] = '\0';
        err     e = door->call(door->ctx, op, in, &out);
        verdict r = DONE;
        if (failed(e))
                r = door_refused(door, e);
        else if (out.len != len)
                r = refuse("the keeper's answer is of another version", "Use the lethectl that came with this lethed.");
        else if (len > 0)
                memcpy(answer, out.bytes, len);
        region_end(&out);
        return r;
}
